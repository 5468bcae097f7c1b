//! What it costs to have an access token.
