"""``python -m paifang``."""

from paifang.cli import main

main()
