"""The last moment of a port: who knocks then is refused, not reset."""

import ctypes
import socket
import struct
import sys
from contextlib import suppress

_SO_ATTACH_FILTER = 26  # of Linux's asm-generic/socket.h, which Python does not name
_FLAGS, _SYN = 13, 2  # the byte of a TCP header with its flags, and the flag of a first packet
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06  # of Linux's bpf_common.h
_PROGRAM = (
    (_LOAD_BYTE, 0, 0, _FLAGS),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),  # drop the packet
    (_RETURN, 0, 0, 0xFFFF_FFFF),  # take all of it
)


def begin_no_more(listener: socket.socket) -> None:
    """Have the kernel begin no more connections, for all who hold this port: those that wait can be accepted still.

    It drops the first packet of a new one, as if it had been lost. A client sends it again after a second, and is
    refused then if the port is closed. Without this, a connection that the kernel makes after the last accept, and
    before the port is closed, is reset: its client cannot know whether its request was read.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _PROGRAM))
    described = struct.pack("HP", len(_PROGRAM), ctypes.addressof(program))
    with suppress(OSError):  # a kernel without filters: what is left is the moment between accept and close
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
