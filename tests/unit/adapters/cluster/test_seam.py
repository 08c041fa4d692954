"""The values of a Secret are read one by one: what is no text in one hides no other."""

import base64

from utilitarian_operator.adapters.cluster.seam import secret_values


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_the_values_of_a_secret() -> None:
    secret = {"data": {"URL": encoded(b"amqp://rabbit/"), "KEY": encoded(b"\xff\xfe"), "EMPTY": ""}}
    assert secret_values(secret) == {"URL": "amqp://rabbit/", "KEY": "\ufffd\ufffd", "EMPTY": ""}
    assert secret_values({"data": None}) == {}
