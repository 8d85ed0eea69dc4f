"""What loading costs: the folder alone no torch, ``tiny`` no open_clip."""

import subprocess
import sys

PROBE = """
import sys
{code}
print(*sorted(set(sys.modules) & {{'torch', 'open_clip', 'timm', 'torchvision', 'transformers',
                                   'huggingface_hub', 'numpy'}}))
"""


def modules_after(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_the_folder_and_its_catalogue_import_no_torch():
    code = "from vesalius import encoders; encoders.ENCODERS; encoders.catalogue()"
    assert "torch" not in modules_after(code)


def test_tiny_needs_torch_and_nothing_larger():
    code = "from vesalius import encoders; encoders.load('tiny', texts=['a b'], image_size=32)"
    assert modules_after(code) == ["numpy", "torch"]
