"""Digests of Pillow's resize, for tests/data/test_image.c: tools/picture_golden.py > tests/golden/resize.h (wants Pillow and NumPy)"""
import numpy as np
from PIL import Image

H, W, SEED = 11, 13, 8
pixels = np.array([[[(x * (7 + c) + y * (5 - c) + SEED * 37 + (90 if x > W // 2 else 0) + (40 if y > H // 3 else 0)) % 256
                     for c in range(3)] for x in range(W)] for y in range(H)], dtype=np.uint8)
for h, w in [(11, 13), (11, 7), (5, 13), (4, 4), (1, 1), (22, 26), (17, 5), (3, 40), (64, 64), (8, 12)]:
    # rows before columns, as soma; some versions of Pillow do the columns first where that is less work
    out = np.asarray(Image.fromarray(pixels).resize((w, H), Image.BILINEAR).resize((w, h), Image.BILINEAR)).reshape(-1).astype(np.uint64)
    print(f"{{{h}, {w}, {int((out * np.arange(1, out.size + 1, dtype=np.uint64)).sum() % 2**32)}u}},")
