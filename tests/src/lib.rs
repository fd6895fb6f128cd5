//! What runs across functions: the local AWS, the demo and its scenarios.
