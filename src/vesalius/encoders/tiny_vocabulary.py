"""The words of the ``tiny`` model: learned from the texts at hand, or from a built-in list."""

from __future__ import annotations

from collections.abc import Sequence

from vesalius.encoders.tokenizer import Tokenizer

VOCABULARY = 4096

RADIOLOGY = """
no not without is are was were there the a an and or of in on at to with from by for as this that
be been has have seen noted identified present absent evidence unchanged stable new old prior since
compared comparison interval change improved worse worsening increased decreased enlarged small
large mild moderate severe minimal marked subtle focal diffuse patchy bilateral unilateral left
right upper middle lower lobe lobes base bases basal basilar apex apical hilar hilum perihilar zone
lung lungs pulmonary pleural pleura effusion effusions pneumothorax pneumonia consolidation
consolidations opacity opacities infiltrate infiltrates atelectasis edema oedema congestion
vascular vasculature interstitial airspace nodule nodules mass masses lesion lesions calcified
granuloma granulomas emphysema hyperinflation hyperinflated fibrosis scarring thickening cavity
bronchial wall heart cardiac size cardiomegaly silhouette mediastinum mediastinal contour contours
aorta aortic tortuous normal within limits clear free unremarkable acute chronic disease process
cardiopulmonary abnormality abnormalities abnormal finding findings impression indication chest
film radiograph radiographs x ray frontal lateral view views portable pa ap image images bony
osseous structures bones rib ribs fracture fractures spine spinal degenerative changes thoracic
clavicle scoliosis diaphragm hemidiaphragm elevated elevation costophrenic angle angles blunting
blunted fluid tube tip catheter line venous central pacemaker leads device devices support sternal
wires surgical clips postoperative hernia hiatal soft tissue tissues suggest suggests suggestive
suspicious consistent likely possible probable may represent could cannot exclude excluded
underlying patient year male female history cough fever pain dyspnea shortness breath cm mm
ct mr mri ultrasound mammogram fundus retina retinal skin dermoscopic histology microscopy tumor
tumour carcinoma benign malignant cancer cyst liver kidney brain bowel bone joint knee hand foot
"""


def train_tokenizer(
    texts: Sequence[str] | None, *, context_length: int, vocabulary: int = VOCABULARY
) -> Tokenizer:
    """Return a lower-case byte-level BPE tokenizer; any text can be encoded.

    Words that are frequent in ``texts`` become one token each, whether or not they begin a
    sentence; other words fall into pieces, at worst into bytes. Same texts, same tokenizer.
    """
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers import Tokenizer as Backend
    from tokenizers.trainers import BpeTrainer

    backend = Backend(models.BPE())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]"), "removed", invert=True)
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([words, spelled])
    backend.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=1 if texts is None else 2,
        special_tokens=["[PAD]", "[CLS]"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(RADIOLOGY.split() if texts is None else texts, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 1)]
    )
    return Tokenizer(backend.to_str(), context_length=context_length)
