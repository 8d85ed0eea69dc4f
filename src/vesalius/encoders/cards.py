"""What can be loaded: a card for each model, data and not code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is, and which files it wants.

    ``name`` is what ``load`` takes. ``files`` go into the folder ``place`` under the weights
    folder ($VESALIUS_WEIGHTS, or ~/.cache/vesalius/weights); ``source`` is who publishes them.
    ``image_size`` in pixels and ``context`` in tokens are 0 where the architecture decides.
    """

    name: str
    what: str
    domain: str
    licence: str
    gated: bool = False
    files: tuple[str, ...] = ()
    place: str = ""
    source: str = ""
    image_size: int = 224
    context: int = 77


CARDS = (
    ModelCard(
        name="tiny",
        what="built in, starts from random weights, learns on two CPU cores in minutes",
        domain="any",
        licence="MIT",
        image_size=112,
        context=128,
    ),
    ModelCard(
        name="biomedclip",
        what="ViT-B/16 and BiomedBERT, 15 million figure-caption pairs (arXiv 2303.00915)",
        domain="biomedical, general",
        licence="MIT",
        files=(
            "open_clip_config.json",
            "open_clip_pytorch_model.bin",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ),
        place="biomedclip",
        source="microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        context=256,
    ),
    ModelCard(
        name="open_clip:ViT-B-32-quickgelu/pubmedclip/PubMedCLIP_ViT32.pth",
        what="PubMedCLIP: OpenAI's ViT-B/32 fine-tuned on ROCO (arXiv 2112.13906)",
        domain="radiology",
        licence="MIT",
        files=("PubMedCLIP_ViT32.pth",),
        place="pubmedclip",
        source="the PubMedCLIP authors",
    ),
    ModelCard(
        name="local-dir:QuiltNet-B-32",
        what="QuiltNet: ViT-B/32 fine-tuned on a million image-text pairs (arXiv 2306.11207)",
        domain="pathology",
        licence="MIT",
        files=("open_clip_config.json", "open_clip_pytorch_model.bin"),
        place="QuiltNet-B-32",
        source="wisdomik/QuiltNet-B-32",
    ),
    ModelCard(
        name="local-dir:DermLIP_ViT-B-16",
        what="DermLIP: ViT-B/16 trained on skin images and their captions",
        domain="dermatology",
        licence="CC-BY-NC",
        files=("open_clip_config.json", "open_clip_pytorch_model.bin"),
        place="DermLIP_ViT-B-16",
        source="redlessone/DermLIP_ViT-B-16",
    ),
    ModelCard(
        name="biovil",
        what="BioViL: ResNet-50 and CXR-BERT, plain cosines, patch maps (arXiv 2204.09817)",
        domain="chest radiographs",
        licence="MIT",
        files=(
            "biovil_image_resnet50_proj_size_128.pt",
            "pytorch_model.bin",
            "config.json",
            "vocab.txt",
        ),
        place="biovil",
        source="microsoft/BiomedVLP-CXR-BERT-specialized",
        image_size=480,
        context=512,
    ),
    ModelCard(
        name="biovil_t",
        what="BioViL-T, one image at a time: ResNet-50 and CXR-BERT (arXiv 2301.04558)",
        domain="chest radiographs",
        licence="MIT",
        files=(
            "biovil_t_image_model_proj_size_128.pt",
            "pytorch_model.bin",
            "config.json",
            "vocab.txt",
        ),
        place="biovil_t",
        source="microsoft/BiomedVLP-BioViL-T",
        image_size=448,
        context=512,
    ),
    ModelCard(
        name="cxr_clip:r50_mcc.tar",
        what="CXR-CLIP: ResNet-50 and Bio_ClinicalBERT (arXiv 2310.13292)",
        domain="chest radiographs",
        licence="CC-BY-NC-4.0",
        files=("r50_mcc.tar", "vocab.txt"),
        place="cxr_clip",
        source="the CXR-CLIP authors; vocab.txt: emilyalsentzer/Bio_ClinicalBERT",
        context=256,
    ),
    ModelCard(
        name="cxr_clip:swint_mcc.tar",
        what="CXR-CLIP: Swin-T and Bio_ClinicalBERT; its CLS is the patch at the top left",
        domain="chest radiographs",
        licence="CC-BY-NC-4.0",
        files=("swint_mcc.tar", "vocab.txt"),
        place="cxr_clip",
        source="the CXR-CLIP authors; vocab.txt: emilyalsentzer/Bio_ClinicalBERT",
        context=256,
    ),
    ModelCard(
        name="medclip:vit",
        what="MedCLIP: Swin-T, Bio_ClinicalBERT (arXiv 2210.10163); not reproducible upstream",
        domain="chest radiographs",
        licence="not clear (the authors' code says MIT at first, BSD later)",
        files=("pytorch_model.bin", "vocab.txt"),
        place="medclip-vit",
        source="the MedCLIP authors; vocab.txt: emilyalsentzer/Bio_ClinicalBERT",
    ),
    ModelCard(
        name="medclip:resnet",
        what="MedCLIP: ResNet-50, Bio_ClinicalBERT (arXiv 2210.10163); not reproducible upstream",
        domain="chest radiographs",
        licence="not clear (the authors' code says MIT at first, BSD later)",
        files=("pytorch_model.bin", "vocab.txt"),
        place="medclip-resnet",
        source="the MedCLIP authors; vocab.txt: emilyalsentzer/Bio_ClinicalBERT",
    ),
    ModelCard(
        name="flair",
        what="FLAIR: ResNet-50 and Bio_ClinicalBERT, expert descriptions (arXiv 2308.07898)",
        domain="colour fundus photographs",
        licence="Apache-2.0",
        files=("model.safetensors", "vocab.txt"),
        place="flair",
        source="jusiro2/FLAIR; vocab.txt: emilyalsentzer/Bio_ClinicalBERT",
        image_size=512,
    ),
    ModelCard(
        name="pmc_clip",
        what="PMC-CLIP: ResNet-50, PubMedBERT, 1.6 million figures, captions (arXiv 2303.07240)",
        domain="biomedical, general",
        licence="MIT",
        files=(
            "image_encoder(resnet50).pth",
            "text_encoder.pth",
            "text_projection_layer.pth",
            "vocab.txt",
        ),
        place="pmc_clip",
        source="axiong/pmc_oa; vocab.txt: "
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
    ),
    ModelCard(
        name="open_clip:ARCH",
        what="any open_clip architecture (RN50, ViT-B-16 …), random weights",
        domain="any",
        licence="MIT (code)",
        image_size=0,
        context=0,
    ),
    ModelCard(
        name="open_clip:ARCH/TAG",
        what="the same with published weights, or with a checkpoint: open_clip:ARCH/FILE.pt",
        domain="any",
        licence="that of the weights",
        files=("TAG.safetensors",),
        place="open_clip/ARCH",
        source="whom open_clip names for the tag; the error of a missing file says it",
        image_size=0,
        context=0,
    ),
)


def catalogue() -> list[ModelCard]:
    """Return the cards of what can be loaded by name.

    Any folder in open_clip's layout loads as ``local-dir:PATH``, and any Run by its path.
    """
    return list(CARDS)
