"""The WebSocket feed: `door` decides who may connect, `server` serves, `uplink` connects out."""
