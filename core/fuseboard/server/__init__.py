"""An HTTP server that limits its clients, and the sockets that fuseboard listens on."""
