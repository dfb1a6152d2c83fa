"""The small clients behind `hubbub listen` and `hubbub publish`, for people.

They drive trio-websocket, an implementation independent of the server's own, and
speak the native dialect in JSON.
"""
