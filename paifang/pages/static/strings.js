// Every visible text of the pages. What follows the equals sign is JSON: the tests read it.
export const strings = {
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
  "unbuilt.title": {
    "en": "Not built · Paifang",
    "zh-CN": "尚未构建 · Paifang",
    "zh-TW": "尚未建置 · Paifang"
  },
  "unbuilt.heading": {
    "en": "The web app is not built",
    "zh-CN": "网页尚未构建",
    "zh-TW": "網頁尚未建置"
  },
  "unbuilt.advice": {
    "en": "In the checkout, {command} builds it; then load this page again. The gateway and the API work without it.",
    "zh-CN": "在源码目录运行 {command} 即可构建，之后重新加载此页面。网关和 API 不受影响。",
    "zh-TW": "在原始碼目錄執行 {command} 即可建置，之後重新載入此頁面。閘道與 API 不受影響。"
  }
};
