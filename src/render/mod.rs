//! From the resolved stack to Kubernetes objects: pure and infallible.
