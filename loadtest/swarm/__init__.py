"""Mass clients: processes of one epoll loop each, as cheap as a receiver can be."""
