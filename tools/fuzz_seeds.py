"""Small files that the fuzzers of pictures and archives begin with: tools/fuzz_seeds.py (wants Pillow and NumPy); the files are kept in fuzz/corpus"""
import io
import os
import tarfile

import numpy as np
from PIL import Image

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fuzz", "corpus")
rng = np.random.default_rng(0)
rgb = Image.fromarray(rng.integers(0, 255, (9, 7, 3), dtype=np.uint8))


def put(kind, name, data):
    os.makedirs(os.path.join(root, kind), exist_ok=True)
    with open(os.path.join(root, kind, name), "wb") as f:
        f.write(data)


def saved(image, kind, **settings):
    out = io.BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


turned = Image.Exif()
turned[0x0112] = 6
pictures = {
    "rgb.png": saved(rgb, "PNG", exif=turned), "grey.png": saved(rgb.convert("L"), "PNG"), "one.png": saved(rgb.convert("1"), "PNG"),
    "palette.png": saved(rgb.quantize(16), "PNG"), "rgba.png": saved(rgb.convert("RGBA"), "PNG"), "la.png": saved(rgb.convert("LA"), "PNG"),
    "deep.png": saved(Image.fromarray(rng.integers(0, 65535, (5, 6), dtype=np.uint16)), "PNG"),
    "rgb.jpg": saved(rgb, "JPEG", exif=turned), "grey.jpg": saved(rgb.convert("L"), "JPEG"), "progressive.jpg": saved(rgb, "JPEG", progressive=True),
    "full.jpg": saved(rgb, "JPEG", subsampling=0), "ink.jpg": saved(rgb.convert("CMYK"), "JPEG"),
}
for name, data in pictures.items():
    put("image", name, data)
for name, style in ("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as t:
        for path in ("a/1.png", "b/2.jpg", "b/" + "x" * (90 if name == "ustar" else 120) + ".png"):
            data = pictures["rgb.png"] if path.endswith("png") else pictures["rgb.jpg"]
            info = tarfile.TarInfo(path)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    data = out.getvalue().rstrip(b"\0")
    put("tar", name, data + b"\0" * (-len(data) % 512 + 1024))
