"""The formats that TensorFlow decodes."""

from keras_transfer.data.formats.format import FORMATS, Format

FORMATS.register("JPEG")(
    Format((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), lambda head: head.startswith(b"\xff\xd8\xff"))
)
FORMATS.register("PNG")(Format((".png",), lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")))
FORMATS.register("GIF")(Format((".gif",), lambda head: head.startswith(b"GIF8")))
FORMATS.register("BMP")(Format((".bmp",), lambda head: head.startswith(b"BM")))
FORMATS.register("WebP")(Format((".webp",), lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP"))
