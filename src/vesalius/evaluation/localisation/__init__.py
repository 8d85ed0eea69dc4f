"""Localisation: does a map of what a model looked at lie where the radiologist saw the finding?"""
