"""Write results for people: tables for the terminal, Markdown, pages with plots and maps, GeoJSON.

Reports are made from the files of a run alone (`results`, `runs`); nothing is computed here that is not in them.
Entry points: `report.write_report`, `terminal.render`, `markdown.markdown`, `geojson.to_geojson`.
"""
