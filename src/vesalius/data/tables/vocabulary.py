"""The findings that data sets name, and how their names meet. Always by name, never by place."""

CHEXPERT = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip

NIH = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip

# Headings of the Open-I coding that stand for a CheXpert finding; ``heading/qualifier`` counts
# only where that qualifier follows. After the mentions that the CheXpert labeller looks for
# (Irvin et al. 2019): granulomas, surgical clips and stents are no lesions and devices of its.
OPEN_I = {
    "No Finding": ("normal",),
    "Enlarged Cardiomediastinum": ("mediastinum/enlarged", "mediastinum/prominent"),
    "Cardiomegaly": ("cardiomegaly", "cardiac shadow/enlarged"),
    "Lung Opacity": ("opacity", "infiltrate", "airspace disease", "density",
                     "markings/interstitial", "lung diseases, interstitial"),
    "Lung Lesion": ("nodule", "mass", "cavitation"),
    "Edema": ("pulmonary edema", "pulmonary congestion", "heart failure"),
    "Consolidation": ("consolidation",),
    "Pneumonia": ("pneumonia",),
    "Atelectasis": ("pulmonary atelectasis",),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax", "hemopneumothorax"),
    "Pleural Effusion": ("pleural effusion", "hydropneumothorax", "hemopneumothorax", "hemothorax"),
    "Pleural Other": ("pleura", "thickening/pleura"),
    "Fracture": ("fractures, bone",),
    "Support Devices": ("catheters, indwelling", "tube, inserted", "medical device",
                        "implanted medical device"),
}  # fmt: skip

# What the coders wrote where they did not code: such a report is unknown in every finding.
OPEN_I_UNCODED = ("", "no indexing", "technical quality of image unsatisfactory")
