"""The data path: one task, one epoll, plain calls."""
