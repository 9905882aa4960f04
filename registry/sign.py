"""`python -m registry.sign VERSION`: vouch for versions that are in the model store."""

from __future__ import annotations

import argparse
import sys

from registry import model_option, store
from registry.errors import RegistryError
from registry.secret_files import SecretUnreadable
from registry.signatures import SIGNING_KEY, BadKey, signing_key

DESCRIPTION = (
    "Sign versions of the model store, each if it is what was published. A signature that is there is replaced."
)
EPILOG = f"The key is in the environment variable {SIGNING_KEY}, or in the file that {SIGNING_KEY}_FILE names."


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: all are signed; 1: one is refused; 2: there is no key, or a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m registry.sign", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("versions", nargs="+", metavar="version", help="a version's name, or `latest`")
    model_option.add(parser)
    options = parser.parse_args(arguments)
    model = model_option.chosen(parser, options)
    try:
        key = signing_key()
        if key is None:
            raise BadKey(f"{SIGNING_KEY} is not set; make a key with: openssl rand -hex 32")
    except (BadKey, SecretUnreadable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        for version in options.versions:
            sys.stdout.write(f"Signed: {model}:{store.sign(model, version, key)}\n")
    except RegistryError as error:
        sys.stderr.write(f"Not signed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
