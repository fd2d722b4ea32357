"""Carriers' media streams: calls whose audio comes as JSON over a WebSocket.

twilio is the dialect, signature the proof of who speaks it, line the incoming audio, outbox the
outgoing: machines without I/O. leg makes a call of a stream, endpoint is the server they come to.
"""
