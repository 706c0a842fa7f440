"""Names whose look-up hangs, for a process of its own: a name server that never answers.

A small library, compiled here and loaded before the C library's own look-up, holds names under
``hangs.invalid`` back for some seconds and passes every other name on.
"""

import shutil
import subprocess
from pathlib import Path

HANGING = "hangs.invalid"
SECONDS = 4
"""How long a look-up hangs: longer than the time-outs of the tests. A look-up can't be stopped,
so the process keeps a thread busy with it for so long."""

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    const char *suffix = "@suffix@";
    size_t length = node ? strlen(node) : 0;
    if (length >= strlen(suffix) && strcmp(node + length - strlen(suffix), suffix) == 0) {
        sleep(@seconds@);
        return EAI_AGAIN;
    }
    return real(node, service, hints, found);
}
"""


def hanging_names(folder: Path) -> dict[str, str]:
    """Variables for a process that is to know such names; none where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return {}
    source, library = folder / "names.c", folder / "names.so"
    text = _SOURCE.replace("@suffix@", HANGING).replace("@seconds@", str(SECONDS))
    source.write_text(text)
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library)}
