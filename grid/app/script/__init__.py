"""Holds the script apart from `grid.app.pages`: beside a folder of that name Streamlit would take
the files in it for the pages of the app, and know no other until `st.navigation` is called."""
