//! Many refreshes in one invocation.
