"""`python -m deploy.checks [folder ...]`: every check of every overlay, or of your own.

Exit code 1 if one finds something. With `--no-policy` checkov, which takes long to install, is left out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.checks.findings import findings
from deploy.checks.manifests import RenderFailed, overlays, render
from deploy.checks.policy import checkov, policy_findings


def main() -> int:
    """Check, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.checks")
    parser.add_argument("folders", nargs="*", type=Path, help="folders with a kustomization; default: ours")
    parser.add_argument("--no-policy", action="store_true", help="leave checkov out")
    arguments = parser.parse_args()
    program = None if arguments.no_policy else checkov()
    wrong = 0
    for folder in arguments.folders or overlays():
        try:
            manifests = render(folder)
        except RenderFailed as error:
            sentences = [str(error)]
        else:
            sentences = findings(manifests) + (policy_findings(program, manifests) if program else [])
            sys.stdout.write(f"{folder.name}: {len(manifests)} manifests, {len(sentences)} findings\n")
        wrong += len(sentences)
        sys.stdout.writelines(f"  {sentence}\n" for sentence in sentences)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
