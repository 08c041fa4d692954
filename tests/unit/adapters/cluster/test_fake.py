"""The fake cluster keeps the contract of a cluster."""

import pytest

from tests.support.cluster_contract import THEM, ClusterContract, Stage
from utilitarian_operator.adapters.cluster.fake import FakeCluster


class TestFakeCluster(ClusterContract):
    @pytest.fixture
    def stage(self) -> Stage:
        cluster = FakeCluster()
        return Stage(cluster, "ns", cluster.by(THEM).patch)
