"""The data plane: it receives a client's call, forwards it and meters it.

Nothing in this package reaches the database or SQLAlchemy: it reads an immutable
:class:`~paifang.modules.gateway.relay.snapshot.Snapshot` and writes to a local journal.
"""
