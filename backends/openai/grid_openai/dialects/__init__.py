"""The APIs of servers, each as one class with the same methods."""
