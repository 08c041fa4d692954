"""Why a pod doesn't start or doesn't become ready: by its status, its ReplicaSet, its log."""
