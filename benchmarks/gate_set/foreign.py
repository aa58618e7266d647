"""Sentences in other languages about a function, of other languages in each part of the set."""

FOREIGN = {
    "calibration": [
        "Diese Funktion `{name}` berechnet den Wert und gibt das Ergebnis an den Aufrufer zurück.",
        "Liest die Eingabe, prüft sie und liefert eine neue Liste mit den gefundenen Einträgen.",
        "Cette fonction `{name}` calcule la valeur et renvoie le résultat à l'appelant.",
        "Lit les données d'entrée, les vérifie et retourne une nouvelle liste des éléments.",
        "La función `{name}` calcula el valor y devuelve el resultado a quien la llama.",
        "Lee la entrada, la comprueba y devuelve una lista nueva con los elementos encontrados.",
        "Questa funzione `{name}` calcola il valore e restituisce il risultato al chiamante.",
        "函数 `{name}` 计算该值并将结果返回给调用者。",
        "Функция `{name}` вычисляет значение и возвращает результат вызывающему коду.",
        "Esta função `{name}` calcula o valor e devolve o resultado a quem a chamou.",
    ],
    "held-out": [
        "Funktionen `{name}` beräknar värdet och skickar tillbaka resultatet till anroparen.",
        "Läser in data, kontrollerar dem och ger en ny lista med de poster som hittades.",
        "Funkcja `{name}` oblicza wartość i zwraca wynik do kodu, który ją wywołał.",
        "Wczytuje dane, sprawdza je i tworzy nową listę znalezionych elementów.",
        "Bu `{name}` fonksiyonu değeri hesaplar ve sonucu çağırana geri döndürür.",
        "Verileri okur, denetler ve bulunan öğelerle yeni bir liste oluşturur.",
        "Funktio `{name}` laskee arvon ja palauttaa tuloksen kutsujalle.",
        "Funcția `{name}` calculează valoarea și returnează rezultatul către apelant.",
        "関数 `{name}` は値を計算し、結果を呼び出し元に返します。",
        "함수 `{name}` 는 값을 계산하여 호출자에게 결과를 반환합니다.",
        "Hàm `{name}` tính giá trị và trả kết quả về cho nơi gọi nó.",
        "Deze functie `{name}` berekent de waarde en geeft het resultaat terug aan de aanroeper.",
    ],
}
