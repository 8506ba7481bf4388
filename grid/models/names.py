"""What a model is called: one rule for measured and imported weights.

A header's name is written by whoever made the file: the repository's name with spaces, the folder
of a training run, or nothing. A file's name is what people call the model by, unless it is generic.
So:

1. A file is called by its own name without its ending, part number and quantization, where that is
   a published kind of name: it has the model's size in it, `SmolLM2-135M-Instruct.Q4_1.gguf`.
2. Where file and header differ in spelling only (case, spaces, hyphens), the file's counts.
3. Where the file is called something else, `mine.gguf`, the header's name counts unless it is odd:
   generic, a path, a hash, or the words of a training run.
4. A file with a generic name, `model.gguf`, is called by the header's name, else by its folder or
   repository, which a cache of the hub names too.

A header's name is written as repositories are, with hyphens for spaces: so all files of a model
have one name. `name =` in a sweep file comes before all of this.
"""

from __future__ import annotations

import re
from pathlib import PurePath, PurePosixPath

_ENDING = re.compile(
    r"[-._](?:(?:UD|i1)-)?"
    r"(?:I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|BF16|FP?16|FP?32|MXFP4(?:_MOE)?|NVFP4)$",
    re.IGNORECASE,
)
_METHOD_WORDS = (
    r"(?:bnb|mlx|hqq\+?|torchao|AutoRound|AQLM|VPTQ|QuIP|EXL[23]|DWQ|AWQ|GPTQ|SmoothQuant|FP8"
    r"|INT[348]|NF4|MXFP[48]|NVFP4|W\d+A\d+|\d(?:\.\d+)?[-_]?b(?:its?|pw))"
)
_METHOD = re.compile(rf"[-._](?:i1|{_METHOD_WORDS})$", re.IGNORECASE)
"""How a repository's name says its quantization: `-AWQ`, `-GPTQ-Int4`, `-4bit`, `-W4A16`."""
_NAMES_METHOD = re.compile(rf"[-._]{_METHOD_WORDS}(?=$|[-._])", re.IGNORECASE)
_DETAIL = re.compile(
    r"[-._](?:unsloth|quantized|hf|pv|marlin|dynamic|block|mixed|a?sym|\d+x\d+(?:g\d+)?|gs?\d+"
    r"|\d+g|h\d+)$",
    re.IGNORECASE,
)
"""What stands beside a method's name, and alone says nothing of one: `-128g`, `-dynamic`."""
_PUBLISHER = re.compile(
    r"^(?:Qwen|google|meta-llama|mistralai|microsoft|nvidia|ibm-granite|deepseek-ai|LiquidAI|zai-org"
    r"|THUDM|HuggingFaceTB|moonshotai|baidu|allenai|ai21labs|arcee-ai|openai|CohereLabs|tiiuae"
    r"|01-ai|NousResearch|upstage|internlm|stabilityai|bigcode|TinyLlama)_(?=[A-Za-z])"
)
"""Who made a model, where a file's name puts it before the model's: `Qwen_Qwen3-4B`."""
_SUFFIX = re.compile(r"(?:-\d{5}-of-\d{5})?\.(?:gguf|safetensors)$", re.IGNORECASE)
_PACKAGING = re.compile(r"[-_.]gguf$", re.IGNORECASE)
_SIZE = re.compile(r"(?:^|[-_. ])(?:\d+x)?\d+(?:\.\d+)?[bm](?=$|[-_. ])", re.IGNORECASE)
"""`135M`, `0.5B`, `8x7b` as a word of its own."""
_SEPARATORS = re.compile(r"[-_.\s]+")

_GENERIC = re.compile(
    r"|\.+|(?:ggml-?|pytorch[-_])?models?|gguf|hf|weights|consolidated|unsloth|default|main|final"
    r"|outputs?|merged|unknown|unnamed|untitled|none|tmp|temp|checkpoints?|snapshots?|downloads?"
    r"|data|checkpoint-\d+|(?:sha256-)?[0-9a-f]{12,}",
    re.IGNORECASE,
)
_TRAINING_RUN = re.compile(
    r"(?:^|[-_. ])(?:lc\d+k|ep(?:och)?s?-?\d+|mix\d+|steps?-?\d+|iter-?\d+|ckpt-?\d*"
    r"|checkpoint-?\d*|run-?\d+|lr-?\d\S*|bs-?\d+|seed-?\d+)(?=$|[-_. ])",
    re.IGNORECASE,
)
_CACHED_REPOSITORY = re.compile(r"models--(?:.+--)?(.+)")


def gguf_name(path: PurePath, header: str = "", quant: str = "") -> str:
    """The name of a model in a GGUF file at `path` whose header names it `header`; `quant` is the
    file's own, which its name may end with. Falls back to the file's name as it is."""
    own = _without_quant(_SUFFIX.sub("", path.name), quant)
    place = folder_name(path.parent)
    header = header.strip()
    if is_generic(own):
        return next((name for name in (_unless_odd(header), place) if name), header or own)
    if _SIZE.search(own) or spelling_key(own) == spelling_key(header):
        return own
    return _unless_odd(header) or own


def folder_name(folder: PurePath) -> str:
    """The name that a folder, or the repository that it is of, gives a model in it; empty where it
    is generic. The packaging and the quantization at its end are left out."""
    own = _without_quant(_PACKAGING.sub("", _repository_of(folder) or folder.name))
    return "" if is_generic(own) else own


def checkpoint_name(folder: PurePath) -> str:
    """The name of a checkpoint folder: its own or its repository's; of a generic folder, `final`,
    the one around it."""
    for place in (folder, folder.parent):
        name = _repository_of(place) or ("" if is_generic(place.name) else place.name)
        if name:
            return name
    return folder.name


def printed_name(filename: str, header: str = "") -> str | None:
    """As `gguf_name`, of a file and a header's name as another tool prints them, with whatever
    separators; None where nothing names the model."""
    name = gguf_name(PurePosixPath(filename.replace("\\", "/")), header)
    return None if is_generic(name) else name


def ladder_name(name: str) -> str:
    """The model's name without what says how it was quantized or who published it, for rows whose
    source knows one name only: `qwen2.5-7b-instruct-q4_0-00001-of-00002.gguf`,
    `Qwen2.5-7B-Instruct-GPTQ-Int4` and `Qwen_Qwen2.5-7B-Instruct-4bit` are of one model. Weights
    trained for few bits (QAT) are another model's. The name as it is where nothing would be left.
    """
    plain = _PACKAGING.sub("", _SUFFIX.sub("", name.strip().rsplit("/", 1)[-1]))
    quantized, last = False, ""
    while plain != last:
        last = plain
        quantized |= _NAMES_METHOD.search(plain) is not None
        plain = _METHOD.sub("", _without_quant(plain))
        plain = _DETAIL.sub("", plain) if quantized else plain
    plain = _PUBLISHER.sub("", plain)
    return name.strip() if is_generic(plain) else plain


def says_quantized(name: str) -> bool:
    """Whether a name says a quantization to less than 16 bits."""
    ending = _ENDING.search(_SUFFIX.sub("", name))
    whole = ending is not None and ending[0].upper().endswith(("F16", "FP16", "F32", "FP32"))
    return bool(method_in(name)) or (ending is not None and not whole)


def method_in(name: str) -> str:
    """The methods that a name says quantized the weights, `gptq-int4`; empty where it says none."""
    words = (match[0].lstrip("-._").lower() for match in _NAMES_METHOD.finditer(name))
    return "-".join(dict.fromkeys(words))


def spelling_key(name: str) -> str:
    """The same for spellings that differ in case and separators only."""
    return _SEPARATORS.sub("", name).casefold()


def is_generic(name: str) -> bool:
    """Whether a name says nothing of a model: `model`, `final`, a hash."""
    return _GENERIC.fullmatch(name.strip()) is not None


def _unless_odd(header: str) -> str:
    """A header's name with hyphens for spaces, empty where nobody would call a model so."""
    odd = is_generic(header) or "/" in header or "\\" in header or _TRAINING_RUN.search(header)
    return "" if odd else "-".join(header.split())


def _without_quant(name: str, quant: str = "") -> str:
    plain = re.sub(rf"[-_.]{re.escape(quant)}$", "", name, flags=re.IGNORECASE) if quant else name
    return _ENDING.sub("", plain) or name


def _repository_of(folder: PurePath) -> str:
    """The repository's name where a folder lies in a cache of the hub; else empty."""
    for place in (folder, *folder.parents):
        cached = _CACHED_REPOSITORY.fullmatch(place.name)
        if cached is not None:
            return cached[1]
    return ""
