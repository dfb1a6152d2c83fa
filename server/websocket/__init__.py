"""RFC 6455 as pure code: frames, messages, close rules and the opening handshake."""
