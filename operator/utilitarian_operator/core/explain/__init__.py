"""Why a pool has its size, and what would change it, in sentences for people."""
