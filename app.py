"""`streamlit run app.py`: the explorer over ./results, or the store that $QUANTGRID_STORE names."""

from grid.app.navigation import main

main()
