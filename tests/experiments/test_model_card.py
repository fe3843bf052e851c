"""The figure of the fits: four panels, each with its axes named, dashed where nothing was measured."""

from fgo_kit.experiments import model_card


def test_the_figure_of_fits_says_where_it_leaves_the_data():
    figure = model_card.fits_figure()
    assert len(figure.axes) == 4
    assert all(ax.get_xlabel() and ax.get_ylabel() and "(small)" in ax.get_title() for ax in figure.axes)
    assert any(line.get_linestyle() == "--" for line in figure.axes[0].lines)
