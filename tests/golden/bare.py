import numpy as np, xarray as xr, planted, math
from limelight.catalogue import analyses
A = analyses()
SCHEMA = 1
PREC = {"name": "float16", "max_error": 0.000244140625}

def sites_of(tree):
    out = []
    for node in tree.subtree:
        if "weights" in node.ds:
            d = node.ds
            out.append((d.attrs["module"], d))
    return out

def facts(d):
    a = d.attrs
    return {"name": a["module"], "module": a["module"], "kind": a["kind"], "module_class": a["module_class"], "heads": d.sizes["head"], "queries": d.sizes["query"], "keys": d.sizes["key"],
            "query_layout": a.get("query_layout"), "key_layout": a.get("key_layout")}

def measure(name, d):
    card = A[name]
    if d.attrs["kind"] not in card.kinds:
        return None, None
    v = card.function(d.weights).where(d.query_valid).mean("query", skipna=False) if False else None
    per = card.function(d.weights)
    valid = d.query_valid
    s = per.where(valid, 0).sum("query", skipna=False) / valid.sum("query")
    uni = d.allowed / d.allowed.sum("key").clip(min=1)
    n = card.function(uni).where(valid, 0).sum("query") / valid.sum("query")
    return s, n

def parameters(step):
    out = {}
    for name, v in planted.weights_of(step).items():
        f = v[np.isfinite(v)].astype(float)
        c, e = np.histogram(f, 64)
        out[name] = dict(count=c, low=e[0], high=e[-1], mean=f.mean(), std=f.std(), min=f.min(), max=f.max(), norm=np.sqrt((f**2).sum()), near_zero=float((np.abs(f) < 1e-3*f.std()).mean()), nonfinite=float(v.size-f.size), size=v.size, shape="×".join(map(str, v.shape)), module=name.rsplit("/",1)[0])
    return out

def pool(w, reduce):
    def axis(w, ax):
        n = w.shape[ax]
        b = math.ceil(n/32)
        starts = np.arange(0, n, b)
        if reduce == "max":
            return np.maximum.reduceat(w, starts, axis=ax)
        s = np.add.reduceat(w, starts, axis=ax)
        cnt = np.minimum(starts+b, n)-starts
        sh = [1]*w.ndim; sh[ax] = len(starts)
        return s/cnt.reshape(sh)
    return axis(axis(w, -2), -1)

def run(name, mk, tokens, image):
    tree = mk(0)
    pars = parameters(0)
    return xr.Dataset({"epoch": ("step", [np.nan, 1.0, 2.5]), "wall_time": ("step", [1767225600.0, 1767225660.5, 1767225721.25], {"units": "s"})}, coords={"step": list(planted.STEPS)},
      attrs={"run": name, "schema": 1, "precision": PREC, "sites": [facts(d) for _, d in sites_of(tree)],
       "examples": [{"index": i, "title": (" ".join(t for t in tokens[i] if t) if tokens else f"example {i}"), "tokens": tokens[i] if tokens else None, "label": (None if tokens else str(i+7)), "image": image} for i in range(2)],
       "parameters": [{"name": n, "module": p["module"], "shape": p["shape"], "size": p["size"]} for n, p in pars.items()], "problems": []})

def grid(mk, step, example, reduce):
    ds = xr.Dataset(attrs={"step": step, "example": example, "reduce": reduce, "measures": {n: {"units": c.units, "bounds": list(c.bounds), "answers": c.answers} for n, c in A.items()}})
    for i, (name, d) in enumerate(sites_of(mk(step))):
        w = pool(d.weights.isel(example=example).values, reduce)
        nan = np.isnan(w)
        dims = (f"head_{i}", f"row_{i}", f"column_{i}")
        ds[f"cells_{i}"] = (dims, np.where(nan, 0, np.rint(255*np.sqrt(np.where(nan, 0, w)))).astype(np.uint8), {"site": name, "queries": d.sizes["query"], "keys": d.sizes["key"]})
        if nan.any():
            ds[f"nan_{i}"] = (dims, nan)
        for m in A:
            v, n = measure(m, d)
            if v is None: continue
            ds[f"{m}_{i}"] = ((f"head_{i}",), v.isel(example=example).values.astype("f4"), {"units": A[m].units})
            ds[f"{m}_null_{i}"] = ((f"head_{i}",), np.full(d.sizes["head"], n.isel(example=example).item(), "f4"), {"units": A[m].units})
    return ds

def amap(mk, step, site, head, example, tokens, images):
    d = dict(sites_of(mk(step)))[site].isel(head=head)
    if example is not None: d = d.isel(example=example)
    tok = lambda n: d[n].values.tolist() if n in d else None
    a = d.attrs
    out = d[["weights", "allowed", "query_valid", "key_valid"]]
    out["weights"] = out.weights.astype("f2")
    if images is not None and example is not None:
        out["image"] = (("row", "column"), images[example])
    out.attrs = {"site": site, "module": a["module"], "kind": a["kind"], "head": head, "step": step, "example": example, "query_token": tok("query_token"), "key_token": tok("key_token"), "query_layout": a.get("query_layout"), "key_layout": a.get("key_layout"), "stored": PREC}
    return out

def measures(mk, site):
    ds = xr.Dataset(coords={"step": list(planted.STEPS)}, attrs={"site": site, "example": None, "examples": 2, "measures": {n: {"units": c.units, "bounds": list(c.bounds), "answers": c.answers} for n, c in A.items()}})
    for m in A:
        vs, ns = [], []
        for s in planted.STEPS:
            d = dict(sites_of(mk(s)))[site]
            v, n = measure(m, d)
            vs.append(v); ns.append(n)
        if vs[0] is None: continue
        v = xr.concat(vs, "step").transpose("step", "head", "example").values; n = xr.concat(ns, "step").mean("example")
        ds[m] = (("step", "head"), v.mean(-1).astype("f4"), {"units": A[m].units})
        rng = np.random.default_rng(0); ix = rng.integers(0, 2, (2000, 2))
        b = v[..., ix].mean(-1)
        lo, hi = np.quantile(b, [.025, .975], axis=-1)
        ds[m+"_low"] = (("step", "head"), lo.astype("f4"), {"units": A[m].units})
        ds[m+"_high"] = (("step", "head"), hi.astype("f4"), {"units": A[m].units})
        ds[m+"_null"] = (("step",), n.values.astype("f4"), {"units": A[m].units})
    return ds

STATS = ["mean", "std", "min", "max", "norm", "near_zero", "nonfinite"]
def pars():
    ps = [parameters(s) for s in planted.STEPS]; names = list(ps[0])
    ds = xr.Dataset(coords={"step": list(planted.STEPS), "parameter": names})
    ds["count"] = (("step", "parameter", "bin"), np.array([[p[n]["count"] for n in names] for p in ps], "i4"))
    for k in ["low", "high", *STATS]:
        ds[k] = (("step", "parameter"), np.array([[p[n][k] for n in names] for p in ps], float))
    return ds

def summary(step):
    names = list(parameters(0))
    ds = xr.Dataset(coords={"parameter": names}, attrs={"step": step, "first_step": 0})
    for suffix, s in (("", step), ("_first", 0)):
        p = parameters(s)
        for k in ["low", "high", *STATS]:
            ds[k+suffix] = (("parameter",), np.array([p[n][k] for n in names], float))
    return ds

def all_answers():
    T = planted.TOKENS
    return {
      "run": run("日本語 モデル/<b>a</b>&c=d#e", planted.words, T, False),
      "run-image": run("digits", planted.digits, None, True),
      "grid": grid(planted.words, 250, 0, "max"),
      "grid-mean": grid(planted.words, 0, 1, "mean"),
      "map": amap(planted.words, 250, "encoder/attention", 1, 0, T, None),
      "map-padded": amap(planted.words, 100, "encoder/attention", 0, 1, T, None),
      "map-cross": amap(planted.words, 100, "decoder/cross", 1, 0, T, None),
      "map-all": amap(planted.words, 100, "encoder/attention", 0, None, T, None),
      "map-image": amap(planted.digits, 250, "attention", 1, 1, None, planted.images()),
      "measures": measures(planted.words, "encoder/attention"),
      "parameters": pars(),
      "summary": summary(250),
    }
