"""The models' own papers, and software: cited with its version where run.json tells it."""

from __future__ import annotations

from validkit.report.methods.entries import Entry, article, chapter

__all__ = ["CITED_AS", "TOOLS"]

SCIPY_2010 = "Proceedings of the 9th Python in Science Conference"
CVPR = "IEEE Conference on Computer Vision and Pattern Recognition"
NEURIPS = "Advances in Neural Information Processing Systems"

MODELS = {
    "Wang2025": article(
        "Wang, J. and Bao, S. and Huang, T. and Cai, Y. and Jin, B. and Wu, J.",
        "Fusion model combining ultrasound-based radiomics and deep transfer learning with clinical parameters for "
        "preoperative prediction of pelvic lymph node metastasis in cervical cancer",
        "Frontiers in Oncology", 2025, "15", "1681029", "10.3389/fonc.2025.1681029",
    ),
    "Tibshirani1996": article(
        "Tibshirani, R.", "Regression shrinkage and selection via the lasso",
        "Journal of the Royal Statistical Society: Series B", 1996, "58(1)", "267--288",
        "10.1111/j.2517-6161.1996.tb02080.x",
    ),
    "Friedman2010": article(
        "Friedman, J. and Hastie, T. and Tibshirani, R.",
        "Regularization paths for generalized linear models via coordinate descent",
        "Journal of Statistical Software", 2010, "33(1)", "1--22", "10.18637/jss.v033.i01",
    ),
    "Guyon2002": article(
        "Guyon, I. and Weston, J. and Barnhill, S. and Vapnik, V.",
        "Gene selection for cancer classification using support vector machines",
        "Machine Learning", 2002, "46", "389--422", "10.1023/A:1012487302797",
    ),
    "Huang2017": chapter(
        "Huang, G. and Liu, Z. and van der Maaten, L. and Weinberger, K. Q.",
        "Densely connected convolutional networks", CVPR, 2017, doi="10.1109/CVPR.2017.243",
    ),
    "He2016": chapter(
        "He, K. and Zhang, X. and Ren, S. and Sun, J.", "Deep residual learning for image recognition",
        CVPR, 2016, "770--778", "10.1109/CVPR.2016.90",
    ),
    "Krizhevsky2012": chapter(
        "Krizhevsky, A. and Sutskever, I. and Hinton, G. E.",
        "ImageNet classification with deep convolutional neural networks", f"{NEURIPS} 25", 2012,
    ),
    "Tan2019": chapter(
        "Tan, M. and Le, Q. V.", "EfficientNet: rethinking model scaling for convolutional neural networks",
        "International Conference on Machine Learning", 2019,
    ),
    "Deng2009": chapter(
        "Deng, J. and others", "ImageNet: a large-scale hierarchical image database", CVPR, 2009, "248--255",
        "10.1109/CVPR.2009.5206848",
    ),
}  # fmt: skip

SOFTWARE = {
    "validkit": Entry("misc", "{The validkit developers}", "validkit", package="validkit"),
    "Harris2020": article(
        "Harris, C. R. and others", "Array programming with NumPy",
        "Nature", 2020, "585", "357--362", "10.1038/s41586-020-2649-2", "numpy",
    ),
    "Virtanen2020": article(
        "Virtanen, P. and others", "SciPy 1.0: fundamental algorithms for scientific computing in Python",
        "Nature Methods", 2020, "17", "261--272", "10.1038/s41592-019-0686-2", "scipy",
    ),
    "Seabold2010": chapter(
        "Seabold, S. and Perktold, J.", "statsmodels: econometric and statistical modeling with Python",
        SCIPY_2010, 2010, "92--96", "10.25080/Majora-92bf1922-011", "statsmodels",
    ),
    "McKinney2010": chapter(
        "McKinney, W.", "Data structures for statistical computing in Python",
        SCIPY_2010, 2010, "56--61", "10.25080/Majora-92bf1922-00a", "pandas",
    ),
    "Pedregosa2011": article(
        "Pedregosa, F. and others", "Scikit-learn: machine learning in Python",
        "Journal of Machine Learning Research", 2011, "12", "2825--2830", package="scikit-learn",
    ),
    "Chen2016": chapter(
        "Chen, T. and Guestrin, C.", "XGBoost: a scalable tree boosting system",
        "Proceedings of the 22nd ACM SIGKDD International Conference on Knowledge Discovery and Data Mining", 2016,
        "785--794", "10.1145/2939672.2939785", "xgboost",
    ),
    "Ke2017": chapter(
        "Ke, G. and others", "LightGBM: a highly efficient gradient boosting decision tree", f"{NEURIPS} 30", 2017,
        package="lightgbm",
    ),
    "Paszke2019": chapter(
        "Paszke, A. and others", "PyTorch: an imperative style, high-performance deep learning library",
        f"{NEURIPS} 32", 2019, package="torch",
    ),
    "vanGriethuysen2017": article(
        "van Griethuysen, J. J. M. and others",
        "Computational radiomics system to decode the radiographic phenotype",
        "Cancer Research", 2017, "77(21)", "e104--e107", "10.1158/0008-5472.CAN-17-0339", "pyradiomics",
    ),
    "Lowekamp2013": article(
        "Lowekamp, B. C. and Chen, D. T. and Ib{\\'a}{\\~n}ez, L. and Blezek, D.", "The design of SimpleITK",
        "Frontiers in Neuroinformatics", 2013, "7", "45", "10.3389/fninf.2013.00045", "simpleitk",
    ),
}  # fmt: skip

TOOLS: dict[str, Entry] = {**MODELS, **SOFTWARE}
"""models and software, by their key in the text"""
CITED_AS = {entry.package: key for key, entry in SOFTWARE.items()}
"""the key of a package of run.json"""
