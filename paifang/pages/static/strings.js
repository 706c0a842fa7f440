// Every visible text of the pages. What follows the equals sign is JSON: the tests read it.
export const strings = {
  "nav.skip": {
    "en": "Skip to the first call",
    "zh-CN": "跳到第一次调用",
    "zh-TW": "跳到第一次呼叫"
  },
  "nav.pages": {
    "en": "Pages",
    "zh-CN": "页面",
    "zh-TW": "頁面"
  },
  "nav.home": {
    "en": "Paifang, home",
    "zh-CN": "Paifang 首页",
    "zh-TW": "Paifang 首頁"
  },
  "nav.docs": {
    "en": "Try the API",
    "zh-CN": "试用 API",
    "zh-TW": "試用 API"
  },
  "nav.redoc": {
    "en": "Read the API",
    "zh-CN": "阅读 API 文档",
    "zh-TW": "閱讀 API 文件"
  },
  "nav.language": {
    "en": "Language",
    "zh-CN": "语言",
    "zh-TW": "語言"
  },
  "nav.dark": {
    "en": "Dark",
    "zh-CN": "深色",
    "zh-TW": "深色"
  },
  "docs.title": {
    "en": "Try the API · Paifang",
    "zh-CN": "试用 API · Paifang",
    "zh-TW": "試用 API · Paifang"
  },
  "docs.no_script": {
    "en": "This page needs JavaScript. {document} holds the same.",
    "zh-CN": "此页面需要 JavaScript。{document} 里有同样的内容。",
    "zh-TW": "此頁面需要 JavaScript。{document} 裡有同樣的內容。"
  },
  "redoc.title": {
    "en": "Read the API · Paifang",
    "zh-CN": "阅读 API 文档 · Paifang",
    "zh-TW": "閱讀 API 文件 · Paifang"
  },
  "missing.title": {
    "en": "Not found · Paifang",
    "zh-CN": "找不到页面 · Paifang",
    "zh-TW": "找不到頁面 · Paifang"
  },
  "missing.heading": {
    "en": "This gate leads nowhere",
    "zh-CN": "此门不通",
    "zh-TW": "此門不通"
  },
  "missing.advice": {
    "en": "There is no page at this address.",
    "zh-CN": "这个地址没有页面。",
    "zh-TW": "這個位址沒有頁面。"
  },
  "missing.home": {
    "en": "To the first page",
    "zh-CN": "回到首页",
    "zh-TW": "回到首頁"
  },
  "home.title": {
    "en": "Paifang: one address for your models",
    "zh-CN": "Paifang：所有模型，一个地址",
    "zh-TW": "Paifang：所有模型，一個位址"
  },
  "home.lead": {
    "en": "One OpenAI-compatible address in front of local models, Ollama and any provider, with tokens, limits and usage for whoever you let through.",
    "zh-CN": "本地模型、Ollama 和任何提供商的前面，只有一个兼容 OpenAI 的地址；放谁进来，就给谁令牌、限额和用量记录。",
    "zh-TW": "本機模型、Ollama 與任何供應商的前面，只有一個相容 OpenAI 的位址；讓誰進來，就給誰權杖、限額與用量紀錄。"
  },
  "home.ask": {
    "en": "{address} says whether the gateway is ready.",
    "zh-CN": "{address} 会说明网关是否就绪。",
    "zh-TW": "{address} 會說明閘道是否就緒。"
  },
  "home.version": {
    "en": "Version {version}",
    "zh-CN": "版本 {version}",
    "zh-TW": "版本 {version}"
  },
  "status.asking": {
    "en": "Asking the gateway whether it is ready",
    "zh-CN": "正在询问网关是否就绪",
    "zh-TW": "正在詢問閘道是否就緒"
  },
  "status.ready": {
    "en": "The gateway is ready",
    "zh-CN": "网关已就绪",
    "zh-TW": "閘道已就緒"
  },
  "status.draining": {
    "en": "The gateway is draining: it finishes what runs and takes nothing new",
    "zh-CN": "网关正在收尾：处理完手上的调用，不再接受新的",
    "zh-TW": "閘道正在收尾：處理完手上的呼叫，不再接受新的"
  },
  "status.unavailable": {
    "en": "The gateway is not ready. {parts}",
    "zh-CN": "网关尚未就绪。{parts}",
    "zh-TW": "閘道尚未就緒。{parts}"
  },
  "status.unreachable": {
    "en": "No answer from the gateway. Is it running?",
    "zh-CN": "网关没有应答。它还在运行吗？",
    "zh-TW": "閘道沒有回應。它還在執行嗎？"
  },
  "call.title": {
    "en": "The first call",
    "zh-CN": "第一次调用",
    "zh-TW": "第一次呼叫"
  },
  "call.token": {
    "en": "The first start printed a token, that one time. This makes another:",
    "zh-CN": "第一次启动时显示过一个令牌，只显示那一次。再建一个：",
    "zh-TW": "第一次啟動時顯示過一個權杖，只顯示那一次。再建一個："
  },
  "call.intro": {
    "en": "With the token in place of {token}, this asks the model that comes with Paifang:",
    "zh-CN": "把 {token} 换成令牌，就能向 Paifang 自带的模型提问：",
    "zh-TW": "把 {token} 換成權杖，就能向 Paifang 內附的模型提問："
  },
  "call.python": {
    "en": "Or the {openai} package as it is; only the address differs:",
    "zh-CN": "或者用原样的 {openai} 包，只换地址：",
    "zh-TW": "或者用原樣的 {openai} 套件，只換位址："
  },
  "code.copy": {
    "en": "Copy",
    "zh-CN": "复制",
    "zh-TW": "複製"
  },
  "code.copied": {
    "en": "Copied",
    "zh-CN": "已复制",
    "zh-TW": "已複製"
  },
  "code.selected": {
    "en": "Selected: press Ctrl C",
    "zh-CN": "已选中：请按 Ctrl C",
    "zh-TW": "已選取：請按 Ctrl C"
  },
  "try.title": {
    "en": "Try it here",
    "zh-CN": "在这里试试",
    "zh-TW": "在這裡試試"
  },
  "try.token": {
    "en": "Token",
    "zh-CN": "令牌",
    "zh-TW": "權杖"
  },
  "try.token_note": {
    "en": "Kept in this page's memory alone, and gone when you reload it.",
    "zh-CN": "只留在此页面的内存里，重新加载后就没有了。",
    "zh-TW": "只留在此頁面的記憶體裡，重新載入後就沒有了。"
  },
  "try.model": {
    "en": "Model",
    "zh-CN": "模型",
    "zh-TW": "模型"
  },
  "try.no_models": {
    "en": "Known once there is a token",
    "zh-CN": "有了令牌才知道",
    "zh-TW": "有了權杖才知道"
  },
  "try.models_listed": {
    "en": "The token is good. Models it may call: {count}",
    "zh-CN": "令牌有效。可调用的模型数：{count}",
    "zh-TW": "權杖有效。可呼叫的模型數：{count}"
  },
  "try.question": {
    "en": "Question",
    "zh-CN": "问题",
    "zh-TW": "問題"
  },
  "try.keys": {
    "en": "{send} sends, {stop} stops.",
    "zh-CN": "{send} 发送，{stop} 停止。",
    "zh-TW": "{send} 送出，{stop} 停止。"
  },
  "try.send": {
    "en": "Send",
    "zh-CN": "发送",
    "zh-TW": "送出"
  },
  "try.stop": {
    "en": "Stop",
    "zh-CN": "停止",
    "zh-TW": "停止"
  },
  "try.answer": {
    "en": "Answer",
    "zh-CN": "回答",
    "zh-TW": "回答"
  },
  "try.waiting": {
    "en": "Waiting for the answer",
    "zh-CN": "正在等待回答",
    "zh-TW": "正在等待回答"
  },
  "try.stopped": {
    "en": "Stopped.",
    "zh-CN": "已停止。",
    "zh-TW": "已停止。"
  },
  "try.empty": {
    "en": "The answer was empty.",
    "zh-CN": "回答是空的。",
    "zh-TW": "回答是空的。"
  },
  "try.done": {
    "en": "Answered in {seconds} s.",
    "zh-CN": "用时 {seconds} 秒。",
    "zh-TW": "用時 {seconds} 秒。"
  },
  "try.done_usage": {
    "en": "{input} tokens in, {output} out, {seconds} s.",
    "zh-CN": "输入 {input} 个 token，输出 {output} 个，用时 {seconds} 秒。",
    "zh-TW": "輸入 {input} 個 token，輸出 {output} 個，用時 {seconds} 秒。"
  },
  "error.need_token": {
    "en": "Paste a token first.",
    "zh-CN": "请先粘贴令牌。",
    "zh-TW": "請先貼上權杖。"
  },
  "error.need_question": {
    "en": "Write a question first.",
    "zh-CN": "请先写下问题。",
    "zh-TW": "請先寫下問題。"
  },
  "error.not_a_token": {
    "en": "This is no token: one is letters, digits and underscores, without spaces.",
    "zh-CN": "这不是令牌：令牌只有字母、数字和下划线，没有空格。",
    "zh-TW": "這不是權杖：權杖只有字母、數字和底線，沒有空格。"
  },
  "error.no_models": {
    "en": "The token is good, but there is no model it may call. Add one as below.",
    "zh-CN": "令牌有效，但没有它可以调用的模型。请按下文添加。",
    "zh-TW": "權杖有效，但沒有它可以呼叫的模型。請照下文新增。"
  },
  "error.token": {
    "en": "The gateway does not accept this token. {message} Request ID {id}",
    "zh-CN": "网关不接受此令牌。{message} 请求 ID {id}",
    "zh-TW": "閘道不接受此權杖。{message} 請求 ID {id}"
  },
  "error.refused": {
    "en": "The gateway answered {status}. {message} Request ID {id}",
    "zh-CN": "网关应答 {status}。{message} 请求 ID {id}",
    "zh-TW": "閘道回應 {status}。{message} 請求 ID {id}"
  },
  "error.broken": {
    "en": "The answer broke off. {message} Request ID {id}",
    "zh-CN": "回答中断了。{message} 请求 ID {id}",
    "zh-TW": "回答中斷了。{message} 請求 ID {id}"
  },
  "error.unreachable": {
    "en": "No answer from the gateway. Is it running, and is this device connected to it?",
    "zh-CN": "网关没有应答。它在运行吗？此设备能连到它吗？",
    "zh-TW": "閘道沒有回應。它在執行嗎？此裝置能連到它嗎？"
  },
  "models.title": {
    "en": "More models",
    "zh-CN": "更多模型",
    "zh-TW": "更多模型"
  },
  "models.honest": {
    "en": "The model that comes with Paifang has 135 million parameters. It runs on any machine and shows that everything works. It is for trying things out: do not rely on what it says.",
    "zh-CN": "Paifang 自带的模型只有 1.35 亿个参数。它在任何机器上都能运行，能证明一切正常。它只供试用：不要依赖它说的话。",
    "zh-TW": "Paifang 內附的模型只有 1.35 億個參數。它在任何機器上都能執行，能證明一切正常。它只供試用：不要依賴它說的話。"
  },
  "models.ollama": {
    "en": "Models of an Ollama on this machine:",
    "zh-CN": "这台机器上 Ollama 的模型：",
    "zh-TW": "這台機器上 Ollama 的模型："
  },
  "models.provider": {
    "en": "Models of a provider, or of any server that speaks OpenAI's API. The credential is read from standard input, so that it stays out of the shell's history:",
    "zh-CN": "提供商的模型，或任何支持 OpenAI API 的服务器上的模型。凭证从标准输入读取，不会留在命令行历史里：",
    "zh-TW": "供應商的模型，或任何支援 OpenAI API 的伺服器上的模型。憑證從標準輸入讀取，不會留在命令列紀錄裡："
  },
  "places.title": {
    "en": "Where things are",
    "zh-CN": "东西在哪里",
    "zh-TW": "東西在哪裡"
  },
  "places.api": {
    "en": "The API",
    "zh-CN": "API",
    "zh-TW": "API"
  },
  "places.api_text": {
    "en": "{docs} to try calls, {redoc} to read, {document} for tools.",
    "zh-CN": "{docs} 用来试调用，{redoc} 用来阅读，{document} 供工具使用。",
    "zh-TW": "{docs} 用來試呼叫，{redoc} 用來閱讀，{document} 供工具使用。"
  },
  "places.key": {
    "en": "Administrator key",
    "zh-CN": "管理员密钥",
    "zh-TW": "管理員金鑰"
  },
  "places.key_text": {
    "en": "In the file {file} of the home folder, which is {home} unless {setting} names another. It opens everything: give people tokens instead.",
    "zh-CN": "在数据文件夹的 {file} 文件里；数据文件夹是 {home}，除非 {setting} 另有指定。它能打开一切：给别人的应该是令牌。",
    "zh-TW": "在資料夾的 {file} 檔案裡；資料夾是 {home}，除非 {setting} 另有指定。它能打開一切：給別人的應該是權杖。"
  },
  "places.health": {
    "en": "How it is doing",
    "zh-CN": "运行状况",
    "zh-TW": "運作狀況"
  },
  "places.health_text": {
    "en": "{address} for machines; {doctor} says what is on, what is off and why, and what to do about it.",
    "zh-CN": "{address} 供机器读取；{doctor} 会说明什么开着、什么关着、为什么，以及该怎么办。",
    "zh-TW": "{address} 供機器讀取；{doctor} 會說明什麼開著、什麼關著、為什麼，以及該怎麼辦。"
  },
  "places.help": {
    "en": "Every command",
    "zh-CN": "所有命令",
    "zh-TW": "所有指令"
  },
  "places.help_text": {
    "en": "{help}, and {more} behind each command. In a checkout it is {venv}; another home folder is named with {home} behind it.",
    "zh-CN": "{help}，以及在每个命令后面加 {more}。在源码目录里它是 {venv}；使用别的数据目录时，在它后面加 {home}。",
    "zh-TW": "{help}，以及在每個指令後面加 {more}。在原始碼目錄裡它是 {venv}；使用別的資料目錄時，在它後面加 {home}。"
  }
};
