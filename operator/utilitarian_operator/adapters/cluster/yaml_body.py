"""Objects as YAML that the API server reads, whatever their texts have in them."""

import json
import re

from utilitarian_operator.api.objects import Object

_ESCAPE = re.compile(r"\\(?:u(?P<high>d[89ab][0-9a-f]{2})\\u(?P<low>d[c-f][0-9a-f]{2})|.)", re.DOTALL)
"""In JSON: a pair of surrogates, or any other escape, whose second character begins none."""


def as_yaml(manifest: Object) -> str:
    """JSON is YAML but for characters above U+FFFF: YAML escapes them by their number, and knows no surrogates.

    All that is not ASCII is escaped: of control characters YAML takes no other form.
    """
    return _ESCAPE.sub(_by_number, json.dumps(manifest))


def _by_number(escape: re.Match[str]) -> str:
    if escape["high"] is None:
        return escape[0]
    above = ((int(escape["high"], 16) - 0xD800) << 10) + int(escape["low"], 16) - 0xDC00
    return f"\\U{0x10000 + above:08x}"
