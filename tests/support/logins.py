"""Kubeconfigs of people: of one who may only look, and of some whose login is valid no longer."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.support.authority import Authority
from tests.support.controlplane import ControlPlane

ACCOUNT = "viewer"
_HALF = 32
"""Bytes of each of the two numbers of a signature by P-256."""


class Logins:
    """Logins to one namespace; the viewer's is made with its account and its binding to the role `view`.

    Args:
        plane: the cluster.
        namespace: that may be looked at.
        folder: where the kubeconfigs are written.
    """

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._plane, self._folder = plane, folder
        where = ("--namespace", namespace)
        plane.kubectl("create", "serviceaccount", ACCOUNT, *where)
        account = f"--serviceaccount={namespace}:{ACCOUNT}"
        plane.kubectl("create", "rolebinding", ACCOUNT, "--clusterrole=view", account, *where)
        self._token = plane.kubectl("create", "token", ACCOUNT, *where).strip()

    def viewer(self) -> Path:
        """One who has the role `view` of Kubernetes."""
        return self._kubeconfig("viewer", {"token": self._token})

    def expired_token(self) -> Path:
        """The same, with a token that was valid until a minute ago."""
        return self._kubeconfig("expired-token", {"token": self._signed(datetime.now(UTC) - timedelta(minutes=1))})

    def expired_certificate(self) -> Path:
        """One with a client certificate that was valid until a minute ago."""
        return self._certified("expired-certificate", -timedelta(minutes=1))

    def certificate(self) -> Path:
        """One with a client certificate that is valid, and without any right."""
        return self._certified("certificate", timedelta(hours=1))

    def without(self) -> Path:
        """One without any login."""
        return self._kubeconfig("without", {})

    def elsewhere(self) -> Path:
        """The viewer's, with the address of a server that another authority has signed for."""
        path = self.viewer()
        config = yaml.safe_load(path.read_text())
        authority = base64.b64encode(Authority().certificate.encode()).decode()
        config["clusters"][0]["cluster"]["certificate-authority-data"] = authority
        path.write_text(yaml.safe_dump(config))
        return path

    def _certified(self, name: str, valid_for: timedelta) -> Path:
        pair = self._plane.authority.issue("jo", valid_for=valid_for)
        given = {"client-certificate-data": pair.certificate, "client-key-data": pair.key}
        return self._kubeconfig(name, {key: base64.b64encode(it.encode()).decode() for key, it in given.items()})

    def _kubeconfig(self, name: str, user: dict[str, Any]) -> Path:
        config = yaml.safe_load(self._plane.kubeconfig.read_text())
        config["users"][0]["user"] = user
        path = self._folder / name
        path.write_text(yaml.safe_dump(config))
        return path

    def _signed(self, until: datetime) -> str:
        """The viewer's token with another end: the API server gives none that is valid for less than ten minutes."""
        head, claims, _ = self._token.split(".")
        said = {**json.loads(_bytes(claims)), "exp": int(until.timestamp())}
        text = f"{head}.{_text(json.dumps(said).encode())}"
        key = serialization.load_pem_private_key(self._plane.signing_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        numbers = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_text(b''.join(it.to_bytes(_HALF, 'big') for it in numbers))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
