"""HTTP servers of the process, and the connections to them, which all who reach a port may open."""
