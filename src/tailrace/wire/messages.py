"""Protobuf classes from a table of fields, where a protocol's own library is not worth having.

Texts are declared as "bytes", so that bad UTF-8 can be told apart from a malformed message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from tailrace.wire.fields import malformed

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "sint32": _Field.TYPE_SINT32,
    "sint64": _Field.TYPE_SINT64,
}


def classes(package: str, messages: Mapping[str, Sequence[tuple[str, int, str]]]) -> dict[str, Any]:
    """A class for each message by its name.

    A field is (name, number, kind): a kind of protobuf or the name of one of `messages`, with
    "*" after it when it is repeated.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tailrace/{package}.proto", package=f"tailrace.{package}", syntax="proto3"
    )
    for name, fields in messages.items():
        added = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            one = added.field.add(name=field_name, number=number)
            one.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            kind = kind.removesuffix("*")
            one.type = _KINDS.get(kind, _Field.TYPE_MESSAGE)
            if kind not in _KINDS:
                one.type_name = f".tailrace.{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"tailrace.{package}.{name}")
        )
        for name in messages
    }


def parsed(kind: Any, data: bytes) -> Any:
    """A message. Raises InputError ("protobuf")."""
    try:
        return kind.FromString(data)
    except message.DecodeError:
        raise malformed() from None
