"""Lets LocalStack run `provided.al2023` functions as plain processes, without Docker.

LocalStack finds this package through the entry points in the `.dist-info` directory beside it, which is on
`PYTHONPATH` when `stack.py` starts LocalStack: there is nothing to build or install.
"""
