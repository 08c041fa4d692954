"""Kubeconfigs of people: of those who have a role in a namespace, and of some whose login is valid no longer."""

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

_HALF = 32
"""Bytes of each of the two numbers of a signature by P-256."""


class Logins:
    """Logins to one namespace; who has a role there is a service account with the role's name.

    Args:
        plane: the cluster.
        namespace: where they have their roles.
        folder: where the kubeconfigs are written.
    """

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._plane, self._namespace, self._folder = plane, namespace, folder

    def with_role(self, role: str) -> Path:
        """One who has a role of Kubernetes for people."""
        return self._kubeconfig(role, {"token": self._token(role)})

    def expired_token(self) -> Path:
        """One with the role `view`, and with a token that was valid until a minute ago."""
        token = self._with_end(self._token("view"), datetime.now(UTC) - timedelta(minutes=1))
        return self._kubeconfig("expired-token", {"token": token})

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
        """One with the role `view`, who trusts another authority than the server's."""
        path = self.with_role("view")
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

    def _token(self, role: str) -> str:
        where = ("--namespace", self._namespace)
        self._plane.kubectl("create", "serviceaccount", role, *where)
        account = f"--serviceaccount={self._namespace}:{role}"
        self._plane.kubectl("create", "rolebinding", role, f"--clusterrole={role}", account, *where)
        return self._plane.kubectl("create", "token", role, *where).strip()

    def _with_end(self, token: str, until: datetime) -> str:
        """A token with another end: the API server gives none that is valid for less than ten minutes."""
        head, claims, _ = token.split(".")
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
