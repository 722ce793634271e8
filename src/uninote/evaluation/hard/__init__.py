"""Harder truth than pairs cut from one note: near duplicates, chapters, links, languages, one modality."""
