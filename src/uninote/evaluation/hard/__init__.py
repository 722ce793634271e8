"""Hard evaluation beyond pairs of one note: near duplicates, chapters, links, languages, modalities."""
