"""What `grid app` lets Streamlit run."""

from grid.app.navigation import main

main()
