"""The findings that data sets name, and how their names meet."""

CHEXPERT = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip

NIH = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip

# Words of the Open-I coding (``Problems``, MeSH headings) that stand for a CheXpert finding.
OPEN_I = {
    "Enlarged Cardiomediastinum": ("mediastinum", "widened mediastinum"),
    "Cardiomegaly": ("cardiomegaly", "cardiac shadow"),
    "Lung Opacity": ("opacity", "infiltrate", "airspace disease", "density"),
    "Lung Lesion": ("nodule", "mass", "granuloma", "granulomatous disease", "calcified granuloma"),
    "Edema": ("pulmonary edema", "edema", "pulmonary congestion"),
    "Consolidation": ("consolidation",),
    "Pneumonia": ("pneumonia",),
    "Atelectasis": ("atelectasis", "pulmonary atelectasis"),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
    "Pleural Effusion": ("pleural effusion", "hydropneumothorax"),
    "Pleural Other": ("thickening", "pleura", "fibrosis pleural"),
    "Fracture": ("fractures, bone", "rib fractures", "fracture"),
    "Support Devices": ("medical device", "tube, inserted", "catheters, indwelling", "stents",
                        "surgical instruments", "implanted medical device"),
}  # fmt: skip
