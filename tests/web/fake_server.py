"""A stand-in for ComfyUI with E3: the panel's REST and push, jobs in memory, a real frontend around it.

``python tests/web/fake_server.py --frontend FOLDER --live`` shows the panel with jobs that run.
"""

from __future__ import annotations

import argparse
import asyncio
import colorsys
import io
import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import yaml
from aiohttp import WSMsgType, web
from PIL import Image, ImageDraw

WEB = Path(__file__).resolve().parents[2] / "web"
STATUSES = ("pending", "processing", "done", "failed", "cancelled")
CSP = "default-src 'self'; img-src 'self' data: blob:; connect-src 'self' data:; media-src 'self' blob:"
STATE_OF = {"retry": "pending", "cancel": "cancelled", "god-mode": "pending"}
MINUTE = 60_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def failure(status: int, message: str, kind: str = "invalid") -> web.Response:
    return web.json_response({"error": {"type": kind, "message": message, "details": {}}}, status=status)


def make_picture(seed: str, size: int) -> bytes:
    """Paint a small landscape whose colours follow from the seed."""
    hue = (sum(map(ord, seed)) * 37 % 360) / 360
    image = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(image)
    for y in range(size):
        shade = colorsys.hsv_to_rgb(hue + y / size / 6, 0.55, 0.35 + 0.55 * (1 - y / size))
        draw.line([(0, y), (size, y)], fill=tuple(int(c * 255) for c in shade))
    draw.ellipse([size * 0.55, size * 0.15, size * 0.8, size * 0.4], fill=(255, 240, 200))
    draw.polygon([(0, size), (size * 0.4, size * 0.45), (size * 0.8, size)], fill=(20, 24, 40))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class FakeE3:
    """The jobs, and what may be done to them; everything public so that tests can look and poke."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.jobs: dict[str, dict[str, Any]] = {}
        self.removed: dict[str, dict[str, Any]] = {}
        self.rejections: list[dict[str, Any]] = []
        self.problems: list[dict[str, str]] = []
        self.progress: dict[str, dict[str, Any]] = {}
        self.user_paused = False
        self.auto_reason: str | None = None
        self.requests: list[tuple[str, str, Any]] = []
        self.sockets: set[web.WebSocketResponse] = set()
        self.settings: dict[str, Any] = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.Persist": False}
        self.csp = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def add(self, name: str, **values: Any) -> dict[str, Any]:
        now = now_ms()
        job = {
            "id": len(self.jobs) + 1,
            "config_name": name,
            "job_type": name.split("_")[0],
            "media": "image",
            "workflow_id": "wf_portrait",
            "priority": 50,
            "position": (len(self.jobs) + 1) << 20,
            "status": "pending",
            "phase": None,
            "run_count": 0,
            "retries_attempted": 0,
            "retry_limit": 2,
            "crash_count": 0,
            "cancel_requested": 0,
            "not_before": None,
            "start_time": None,
            "end_time": None,
            "duration": None,
            "error_type": None,
            "error_trace": None,
            "warnings": [],
            "metadata": {},
            "inputs": {"prompt": "a knight in rain", "seed": len(self.jobs), "steps": 30},
            "created_at": now,
            "updated_at": now,
            "outputs": [],
            "attempts": [],
        }
        job.update(values)
        self.jobs[name] = job
        return job

    def clear(self) -> None:
        """Forget everything, as after a fresh installation."""
        for kept in (self.jobs, self.removed, self.rejections, self.problems, self.progress):
            kept.clear()
        self.auto_reason = None

    def light(self, job: dict[str, Any]) -> dict[str, Any]:
        row = {k: v for k, v in job.items() if k not in ("error_trace", "outputs", "attempts", "metadata")}
        row["inputs"] = {k: v[:200] if isinstance(v, str) else v for k, v in job["inputs"].items()}
        row["error_summary"] = (job["error_trace"] or "").split("\n")[0] or None
        return row | {"outputs_count": len(job["outputs"])}

    def totals(self, jobs: list[dict[str, Any]]) -> dict[str, int]:
        counts = dict.fromkeys(STATUSES, 0)
        for job in jobs:
            counts[job["status"]] += 1
        return counts

    def matching(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        def fits(job: dict[str, Any]) -> bool:
            text = f"{job['config_name']} {job['workflow_id']}".casefold()
            return (
                wanted.get("media") in (None, "", job["media"])
                and wanted.get("workflow_id") in (None, "", job["workflow_id"])
                and str(wanted.get("q") or "").casefold() in text
            )

        return [job for job in self.jobs.values() if fits(job)]

    def act(self, job: dict[str, Any], action: str, priority: int | None = None) -> str | None:
        """Do one verb; answer the sentence of a refusal."""
        status = job["status"]
        if action == "delete":
            if status == "processing":
                return "a running job cannot be deleted"
            self.removed[job["config_name"]] = self.jobs.pop(job["config_name"])
            return None
        if action == "set_priority":
            job["priority"] = priority
        elif action == "cancel" and status == "processing":
            job.update(cancel_requested=1)
        elif (action == "retry") != (status in ("failed", "cancelled")):
            return f"{action} does not fit a job that is {status}"
        else:
            job["status"] = STATE_OF[action]
        if action == "god-mode":
            first = min((j["position"] for j in self.jobs.values() if j["priority"] == 1), default=1 << 20)
            job.update(priority=1, position=first - (1 << 20))
        job["updated_at"] = now_ms()
        return None

    def move(self, job: dict[str, Any], before: str | None) -> None:
        if before is None:
            same = [j["position"] for j in self.jobs.values() if j["priority"] == job["priority"]]
            job["position"] = max(same) + (1 << 20)
            return
        target = self.jobs[before]
        ahead = [
            j["position"]
            for j in self.jobs.values()
            if j["priority"] == target["priority"] and j["position"] < target["position"] and j is not job
        ]
        low = max(ahead, default=target["position"] - (2 << 20))
        job.update(priority=target["priority"], position=(low + target["position"]) // 2)

    async def push(self, event: str, **data: Any) -> None:
        for socket in list(self.sockets):
            await socket.send_json({"type": event, "data": data})

    def push_soon(self, event: str, **data: Any) -> None:
        """Push from another thread, as tests do after they changed a job."""
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(self.push(event, **data), self.loop).result(5)


SORT_KEYS = {
    "order": lambda j: (j["priority"], j["position"], j["id"]),
    "created": lambda j: (j["created_at"], j["id"]),
    "ended": lambda j: (j["end_time"] or 0, j["id"]),
    "duration": lambda j: (j["duration"] or 0, j["id"]),
    "name": lambda j: (j["config_name"], j["id"]),
}


class Routes:
    """The REST of E3 over one FakeE3."""

    def __init__(self, fake: FakeE3) -> None:
        self.fake = fake

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        for method, path, handler in (
            ("GET", "/jobs", self.list_jobs),
            ("POST", "/jobs", self.post_job),
            ("POST", "/jobs/bulk", self.bulk),
            ("GET", "/jobs/{name}", self.details),
            ("PATCH", "/jobs/{name}", self.patch),
            ("DELETE", "/jobs/{name}", self.delete),
            ("POST", "/jobs/{name}/{action}", self.action),
            ("GET", "/jobs/{name}/outputs/{n}", self.output),
            ("GET", "/queue", self.queue),
            ("POST", "/queue/{verb}", self.set_queue),
            ("GET", "/rejections", self.list_rejections),
            ("GET", "/workflows", self.workflows),
            ("GET", "/stats", self.stats),
            ("GET", "/health", self.health),
            ("GET", "/", self.page),
        ):
            router.add_route(method, f"{prefix}/e3{path}", handler)
        router.add_static(f"{prefix}/e3/web", WEB)

    def job(self, request: web.Request) -> dict[str, Any]:
        name = request.match_info["name"]
        if name not in self.fake.jobs:
            raise web.HTTPNotFound(
                text=json.dumps({"error": {"type": "unknown_job", "message": f"no job {name}", "details": {}}}),
                content_type="application/json",
            )
        return self.fake.jobs[name]

    async def list_jobs(self, request: web.Request) -> web.Response:
        query = request.query
        matching = self.fake.matching(dict(query))
        statuses = query.getall("status", []) or list(STATUSES)
        sort = query.get("sort", "order")
        key, reverse = SORT_KEYS[sort.lstrip("-")], sort.startswith("-")
        rows = sorted((j for j in matching if j["status"] in statuses), key=key, reverse=reverse)
        if "cursor" in query:
            mark = tuple(json.loads(query["cursor"]))
            rows = [j for j in rows if (key(j) < mark if reverse else key(j) > mark)]
        limit = int(query.get("limit", 100))
        page = rows[:limit]
        return web.json_response(
            {
                "jobs": [self.fake.light(j) for j in page],
                "next": json.dumps(key(page[-1])) if len(rows) > limit else None,
                "totals": self.fake.totals(matching),
            }
        )

    async def post_job(self, request: web.Request) -> web.Response:
        name = request.query.get("name", "")
        try:
            data = yaml.safe_load(await request.text())
        except yaml.YAMLError as exc:
            return failure(422, f"{name}: {exc}".split("\n")[0])
        if not isinstance(data, dict) or "workflow_id" not in data:
            return failure(422, f"workflow_id is missing ({name})")
        if name in self.fake.jobs:
            return failure(409, f"{name} is already there", "name_conflict")
        job = self.fake.add(name, workflow_id=data["workflow_id"], inputs=data.get("inputs", {}))
        return web.json_response(self.fake.light(job), status=201)

    async def details(self, request: web.Request) -> web.Response:
        job = self.job(request)
        return web.json_response(
            self.fake.light(job)
            | {k: job[k] for k in ("inputs", "metadata", "attempts", "error_trace", "outputs")}
            | {"config": {"workflow_id": job["workflow_id"], "inputs": job["inputs"]}}
        )

    async def patch(self, request: web.Request) -> web.Response:
        job, change = self.job(request), await request.json()
        if "priority" in change:
            if not 1 <= change["priority"] <= 999:
                return failure(422, f"priority must be 1-999, got {change['priority']}")
            job["priority"] = change["priority"]
        else:
            self.fake.move(job, change["before"])
        return web.json_response(self.fake.light(job))

    async def delete(self, request: web.Request) -> web.Response:
        job = self.job(request)
        refusal = self.fake.act(job, "delete")
        return failure(409, refusal, "wrong_state") if refusal else web.json_response(self.fake.light(job))

    async def action(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        if action == "restore":
            name = request.match_info["name"]
            self.fake.jobs[name] = self.fake.removed.pop(name)
            return web.json_response(self.fake.light(self.fake.jobs[name]))
        job = self.job(request)
        if action == "copy":
            stem, n = job["config_name"].removesuffix(".yaml"), len(self.fake.jobs)
            inputs = job["inputs"] | (await request.json()).get("inputs", {})
            kept = {k: job[k] for k in ("media", "workflow_id", "priority")}
            return web.json_response(
                self.fake.light(self.fake.add(f"{stem}_{n}.yaml", inputs=inputs, **kept)), status=201
            )
        refusal = self.fake.act(job, action)
        return failure(409, refusal, "wrong_state") if refusal else web.json_response(self.fake.light(job))

    async def bulk(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "names" in body:
            names = body["names"]
        else:
            wanted = body["filter"]
            statuses = wanted.get("status") or STATUSES
            names = [j["config_name"] for j in self.fake.matching(wanted) if j["status"] in statuses]
        results = []
        for name in names:
            job = self.fake.jobs.get(name)
            refusal = self.fake.act(job, body["action"], body.get("priority")) if job else f"no job {name}"
            results.append({"config_name": name, "ok": not refusal} | ({"error": refusal} if refusal else {}))
        return web.json_response({"results": results, "changed": sum(r["ok"] for r in results)})

    async def output(self, request: web.Request) -> web.Response:
        job = self.job(request)
        media_type = job["outputs"][int(request.match_info["n"])]["media_type"]
        if not media_type.startswith("image/"):
            return web.Response(body=b"not really", content_type=media_type)
        size = int(request.query.get("thumbnail", 512))
        return web.Response(body=make_picture(job["config_name"], size), content_type="image/png")

    async def queue(self, request: web.Request) -> web.Response:
        fake = self.fake
        running = [
            {
                "config_name": j["config_name"],
                "workflow_id": j["workflow_id"],
                "start_time": j["start_time"],
                "progress": fake.progress.get(j["config_name"]),
            }
            for j in fake.jobs.values()
            if j["status"] == "processing"
        ]
        return web.json_response(
            {
                "user_paused": fake.user_paused,
                "auto_reason": fake.auto_reason,
                "paused": fake.user_paused or bool(fake.auto_reason),
                "running": running,
                "totals": fake.totals(list(fake.jobs.values())),
            }
        )

    async def set_queue(self, request: web.Request) -> web.Response:
        self.fake.user_paused = request.match_info["verb"] == "pause"
        if not self.fake.user_paused:
            self.fake.auto_reason = None
        return await self.queue(request)

    async def list_rejections(self, request: web.Request) -> web.Response:
        return web.json_response({"rejections": self.fake.rejections})

    async def workflows(self, request: web.Request) -> web.Response:
        ids = sorted({j["workflow_id"] for j in self.fake.jobs.values()})
        return web.json_response({"workflows": [{"workflow_id": i, "required_inputs": []} for i in ids]})

    async def stats(self, request: web.Request) -> web.Response:
        runs: dict[str, list[int]] = {}
        causes: dict[tuple[str, str, str], list[str]] = {}
        for j in self.fake.jobs.values():
            if j["status"] == "done" and j["duration"]:
                runs.setdefault(j["workflow_id"], []).append(j["duration"])
            if j["status"] == "failed":
                cause = (j["workflow_id"], j["error_type"], (j["error_trace"] or "").split("\n")[0])
                causes.setdefault(cause, []).append(j["config_name"])
        pace = {w: {"p50": sorted(d)[len(d) // 2], "p80": max(d), "runs": len(d)} for w, d in runs.items()}
        waiting = [j for j in self.fake.jobs.values() if j["status"] == "pending"]
        total = sum(pace.get(j["workflow_id"], {"p50": 60_000})["p50"] for j in waiting)
        failures = [
            {"workflow_id": w, "error_type": t, "summary": s, "count": len(n), "names": n}
            for (w, t, s), n in causes.items()
        ]
        eta = {"p50_ms": total, "p80_ms": total * 3 // 2}
        return web.json_response({"workflows": pace, "eta": eta, "failures": failures})

    async def health(self, request: web.Request) -> web.Response:
        totals = self.fake.totals(list(self.fake.jobs.values()))
        return web.json_response(
            {
                "status": "ok",
                "version": "0.1.0",
                "home": "/home/e3",
                "problems": self.fake.problems,
                "totals": totals,
            }
        )

    async def page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(WEB / "page" / "page.html")


def make_guard(fake: FakeE3) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path.removeprefix("/api")
        if not path.startswith("/e3/") or path == "/e3/" or path.startswith("/e3/web/"):
            answer = await handler(request)
        else:
            body = await request.text()
            fake.requests.append((request.method, request.path_qs, body))
            if request.method != "GET" and not re.match(r"application/(json|yaml)", request.content_type):
                return failure(415, "Content-Type must be application/json")
            if fake.token and request.headers.get("Authorization") != f"Bearer {fake.token}":
                return failure(401, "this E3 wants its api_token", "unauthorized")
            answer = await handler(request)
        if fake.csp:
            answer.headers["Content-Security-Policy"] = CSP
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return guard


def create_app(fake: FakeE3, frontend: Path | None = None) -> web.Application:
    """Build the host: E3's routes twice as ComfyUI has them, the socket, and the frontend's files."""
    app = web.Application(middlewares=[make_guard(fake)])
    for prefix in ("", "/api"):
        Routes(fake).add_to(app.router, prefix)

    async def socket(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        fake.sockets.add(ws)
        await ws.send_json({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "1"}})
        async for message in ws:
            if message.type == WSMsgType.ERROR:
                break
        fake.sockets.discard(ws)
        return ws

    async def remember_loop(_: web.Application) -> None:
        fake.loop = asyncio.get_running_loop()

    async def close_sockets(_: web.Application) -> None:
        for ws in list(fake.sockets):
            await ws.close()

    app.on_startup.append(remember_loop)
    app.on_shutdown.append(close_sockets)
    app.router.add_get("/ws", socket)
    if frontend:
        add_frontend(app, fake, frontend)
    return app


def add_frontend(app: web.Application, fake: FakeE3, frontend: Path) -> None:
    """Answer the least that a real frontend needs to start."""
    modules = [f"/extensions/comfyui-e3/{p.relative_to(WEB / 'js').as_posix()}" for p in (WEB / "js").rglob("*.js")]
    answers = {
        "users": {"storage": "server", "migrated": True},
        "extensions": modules,
        "object_info": {},
    }

    def answer(data: Any) -> Any:
        async def handler(_: web.Request) -> web.Response:
            return web.json_response(data)

        return handler

    async def keep_setting(request: web.Request) -> web.Response:
        fake.settings[request.match_info["id"]] = json.loads(await request.text())
        return web.json_response({})

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(frontend / "index.html")

    for name, data in answers.items():
        app.router.add_get(f"/api/{name}", answer(data))
    app.router.add_get("/api/settings", answer(fake.settings))
    app.router.add_post("/api/settings/{id}", keep_setting)
    app.router.add_get("/", index)
    app.router.add_static("/extensions/comfyui-e3", WEB / "js")
    app.router.add_static("/", frontend)


class ServerThread:
    """Serve an app on a free port of the loopback from a thread of its own."""

    def __init__(self, app: web.Application, port: int = 0) -> None:
        self.app, self.port = app, port
        self._ready, self._stop = threading.Event(), None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(10)
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)


OOM = (
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB\n"
    '  File "execution.py", line 349, in execute\n'
    "    output_data, output_ui = get_output_data(obj, inputs)\n"
    '  File "nodes.py", line 1502, in sample\n    return common_ksampler(model, seed, steps, cfg)\n'
)


def seed(fake: FakeE3) -> FakeE3:
    """Fill in the batch of a studio's evening."""
    now = now_ms()
    themes = ("knight", "harbour", "fox_in_snow", "old_library", "desert_city", "astronaut", "tea_house")
    prompt = "Ultra-realistic portrait of a {} in rain, cinematic light, 85 mm, film grain"
    for n in range(14):
        theme = themes[n % 7]
        inputs = {
            "prompt": prompt.format(theme.replace("_", " ")),
            "seed": 88_000 + n * 7919,
            "steps": 30 + n % 2 * 10,
        }
        fake.add(
            f"T2I_20260301{n:02}3000_1_{theme}.yaml",
            inputs=inputs | {"cfg": 7.0},
            priority=20 if n < 2 else 50,
            created_at=now - (40 - n) * MINUTE,
        )
    for n in range(4):
        fake.add(
            f"T2V_20260301{n:02}4500_{n}_flythrough.yaml",
            media="video",
            workflow_id="wf_wan_video",
            inputs={"prompt": "slow camera flight over a canyon", "seed": 5, "frames": 49 + 16 * n},
            priority=80,
            created_at=now - n * MINUTE,
        )
    fake.jobs["T2V_20260301014500_1_flythrough.yaml"].update(not_before=now + 3 * MINUTE, retries_attempted=1)
    for n, phase in enumerate(("executing", "submitted")):
        name = f"T2I_2026030120000{n}_1_{('lighthouse', 'market')[n]}.yaml"
        fake.add(name, status="processing", phase=phase, start_time=now - (21_000 if n == 0 else 0), run_count=1)
        if n == 0:
            fake.progress[name] = {
                "node": "KSampler",
                "value": 14,
                "max": 30,
                "nodes_done": 4,
                "nodes_total": 9,
            }
    for n in range(24):
        end, took = now - n * 7 * MINUTE - 30_000, 38_000 + n * 911
        output = {
            "index": 0,
            "name": f"{themes[n % 7]}.png",
            "media_type": "image/png",
            "bytes": 1_400_000 + n * 999,
            "path": f"jobs/finished/image/{themes[n % 7]}.png",
            "url": "",
        }
        name = f"T2I_202602281{n // 10}{n % 10}000_1_{themes[n % 7]}.yaml"
        output["url"] = f"/e3/jobs/{name}/outputs/0"
        fake.add(
            name,
            status="done",
            start_time=end - took,
            end_time=end,
            duration=took,
            outputs=[output],
            run_count=1,
            created_at=end - 9 * MINUTE,
            metadata={"creator": "cli", "sha256": "9f2c…"},
            warnings=["asked .png, made webp: saved as .webp"] if n == 3 else [],
            attempts=[
                {
                    "number": 1,
                    "started_at": end - took,
                    "ended_at": end,
                    "outcome": "done",
                    "error_type": None,
                    "error": None,
                }
            ],
        )
    for n in range(6):
        end = now - n * 11 * MINUTE
        kind, trace = ("oom", OOM) if n < 4 else ("invalid", "Value not in list: ckpt_name: 'dream.safetensors'\n")
        tries = 3 if n < 4 else 1
        attempts = [
            {
                "number": k + 1,
                "started_at": end - (tries - k) * MINUTE,
                "ended_at": end - (tries - k - 1) * MINUTE,
                "outcome": "failed",
                "error_type": kind,
                "error": trace.split("\n")[0],
            }
            for k in range(tries)
        ]
        fake.add(
            f"T2I_2026022809000{n}_1_giant_{themes[n]}.yaml",
            status="failed",
            error_type=kind,
            error_trace=trace,
            workflow_id="wf_upscale_4x" if n < 4 else "wf_portrait",
            attempts=attempts,
            run_count=tries,
            start_time=end - MINUTE,
            end_time=end,
            duration=MINUTE,
            retries_attempted=tries - 1,
        )
    fake.add(
        "AUDIO_20260228080000_1_rain.yaml",
        media="audio",
        workflow_id="wf_audio",
        status="cancelled",
        end_time=now - 80 * MINUTE,
        created_at=now - 90 * MINUTE,
    )
    fake.rejections += [
        {
            "path": "jobs/processing/image/T2I_20260301111111_1_castle.yaml",
            "code": "unknown_key",
            "line": 4,
            "column": 1,
            "reason": "unknown key 'promt' under inputs; did you mean 'prompt'?",
            "seen_at": now - 4 * MINUTE,
        },
        {
            "path": "jobs/processing/image/holiday.yaml",
            "code": "bad_name",
            "line": None,
            "column": None,
            "reason": "the name must look like T2I_20250809123001_1_knight.yaml",
            "seen_at": now - 30 * MINUTE,
        },
    ]
    return fake


async def run_jobs(fake: FakeE3) -> None:
    """Play the executor: a step every 400 ms, a new job when one ends."""
    while True:
        await asyncio.sleep(0.4)
        running = sorted((j for j in fake.jobs.values() if j["status"] == "processing"), key=lambda j: j["id"])
        if running:
            job = running[0]
            at = fake.progress.setdefault(
                job["config_name"],
                {"node": "KSampler", "value": 0, "max": 30, "nodes_done": 4, "nodes_total": 9},
            )
            job.update(phase="executing", start_time=job["start_time"] or now_ms())
            at["value"] += 1
            await fake.push("e3.progress", config_name=job["config_name"], progress=at)
            if at["value"] >= at["max"] or job["cancel_requested"]:
                end = now_ms()
                job.update(
                    status="cancelled" if job["cancel_requested"] else "done",
                    end_time=end,
                    duration=end - job["start_time"],
                    outputs=[
                        {
                            "index": 0,
                            "name": "x.png",
                            "media_type": "image/png",
                            "bytes": 1,
                            "path": "x.png",
                            "url": f"/e3/jobs/{job['config_name']}/outputs/0",
                        }
                    ],
                )
                await fake.push("e3.job", config_name=job["config_name"], status=job["status"])
        waiting = sorted((j for j in fake.jobs.values() if j["status"] == "pending"), key=SORT_KEYS["order"])
        if len(running) < 2 and waiting and not fake.user_paused and not fake.auto_reason:
            waiting[0].update(status="processing", phase="submitted", run_count=1)
            await fake.push("e3.job", config_name=waiting[0]["config_name"], status="processing")


async def serve(fake: FakeE3, frontend: Path | None, port: int, live: bool) -> None:
    runner = web.AppRunner(create_app(fake, frontend), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("serving on", runner.addresses[0])
    await (run_jobs(fake) if live else asyncio.Event().wait())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frontend", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--live", action="store_true", help="let jobs run")
    parser.add_argument("--many", type=int, default=0, help="add so many pending jobs")
    args = parser.parse_args()
    fake = seed(FakeE3())
    for n in range(args.many):
        fake.add(f"T2I_20260401000000_{n}_batch.yaml")
    asyncio.run(serve(fake, args.frontend, args.port, args.live))


if __name__ == "__main__":
    main()
