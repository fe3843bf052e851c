"""LLMs behind the SDKs, servers and functions of others, as the protocol of `calls` has them."""
