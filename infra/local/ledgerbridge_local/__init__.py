"""The local stack: LocalStack, the provider simulator and the deployed functions on one machine.

Only the standard library is used here, so that any Python from 3.9 on can start it.
"""
