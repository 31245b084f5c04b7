"""The kind of a file by its first bytes: pictures that are decoded, and names for what else people upload."""

from __future__ import annotations

import re

STARTS = {
    b"\xff\xd8": "jpeg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\0\0\0\x0cjP": "jp2",
    b"\xff\x4f\xff\x51": "jp2",
    b"\xff\x0a": "jxl",
    b"\0\0\0\x0cJXL ": "jxl",
    b"\x59\xa6\x6a\x95": "ras",
    b"#?": "hdr",
} | {b"P%d" % number: "netpbm" for number in range(1, 8)}
RAW = "a camera's raw picture ({})"
NAMES = {  # of what is no picture that can be shown
    b"%PDF": "a PDF document",
    b"8BPS": "a Photoshop document (PSD)",
    b"FUJIFILMCCD-RAW": RAW.format("RAF"),
    b"IIRO": RAW.format("ORF"),
    b"IIRS": RAW.format("ORF"),
    b"MMOR": RAW.format("ORF"),
    b"IIU\0": RAW.format("RW2"),
    b"FOVb": RAW.format("X3F"),
    b"\0MRM": RAW.format("MRW"),
    b"\x1aE\xdf\xa3": "a video (Matroska or WebM)",
    b"\0\0\1\xba": "a video (MPEG)",
    b"\0\0\1\xb3": "a video (MPEG)",
    b"FLV\1": "a video (FLV)",
    b"0&\xb2u": "a video (WMV)",
    b"OggS": "sound or a video (Ogg)",
    b"ID3": "sound (MP3)",
    b"fLaC": "sound (FLAC)",
    b"\0\0\1\0": "an icon (ICO)",
    b"%!PS": "a PostScript document",
    b"\xc5\xd0\xd3\xc6": "a PostScript document (EPS)",
    b"gimp xcf": "a GIMP document (XCF)",
    b"AT&TFORM": "a DjVu document",
    b"PK\3\4": "a ZIP archive or an office document",
}
BRANDS = {  # of files that begin with the box `ftyp`
    rb"hei[cxms]|hev[cxms]|mif1|msf1|miaf": "heif",
    rb"jxl ": "jxl",
    rb"jp2 |jpx |jph ": "jp2",
    rb"crx ": RAW.format("CR3"),
    rb"qt  ": "a video (MOV)",
    rb"M4A |M4B |M4P ": "sound (M4A)",
    rb"3g[p2].": "a video (3GP)",
    rb"isom|iso\d|mp4[12]|avc1|M4V.|MSNV|dash|mmp4|f4v |XAVC": "a video (MP4)",
}
OF_JPEG_2000 = {  # brands of what begins like a JPEG 2000 picture
    b"mjp2": "a video (Motion JPEG 2000)",
    b"mj2s": "a video (Motion JPEG 2000)",
    b"jpm ": "a document (JPEG 2000, JPM)",
}
OF_QUICKTIME = {b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot"}  # first boxes of old files, which have no `ftyp`
TEXT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(\?xml[^>]*>\s*(?:<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<)?(svg|!doctype html|html)",
    re.I | re.S,
)


def kind_of(data: bytes) -> str:
    """Return the file format: a word if it is decoded, a name if it is not, '' if it is not known."""
    if data[4:8] == b"ftyp":
        return _by_brand(data)
    if data[:4] == b"RIFF":
        return {b"WEBP": "webp", b"AVI ": "a video (AVI)", b"WAVE": "sound (WAV)"}.get(data[8:12], "")
    if data[8:10] == b"CR" and data[:2] in (b"II", b"MM"):
        return RAW.format("CR2")
    if data[4:8] == b"jP  " and data[20:24] in OF_JPEG_2000:
        return OF_JPEG_2000[data[20:24]]
    for start, kind in (STARTS | NAMES).items():
        if data.startswith(start):
            return kind
    if data[4:8] in OF_QUICKTIME:
        return "a video (MOV)"
    if text := TEXT.match(data[:2000]):
        return "a drawing (SVG)" if text[2].lower() == b"svg" else "a web page"
    return ""


def _by_brand(data: bytes) -> str:
    """Return the kind by the major brand of a file, or else by its compatible brands."""
    size = int.from_bytes(data[:4], "big")
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, min(size, 256, len(data)), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "avif"  # whose major brand may be the general mif1
    for brand in brands:
        for pattern, kind in BRANDS.items():
            if re.fullmatch(pattern, brand):
                return kind
    return f"a media file (of the brand {data[8:12].decode('latin-1').strip()!a})"
